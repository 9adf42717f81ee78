/**
 * Puts a section of a Markdown document in the place of the one with the same heading, or at the end.
 *
 * @param section begins with a line `## …`
 */
export function replaceSection(document: string, section: string): string {
  const heading = section.split('\n', 1)[0] ?? '';
  const sections = document.trimEnd().split(/\n(?=## )/);
  const index = sections.findIndex((one) => one.split('\n', 1)[0] === heading);
  if (index === -1) sections.push(`\n${section.trim()}`);
  else sections[index] = `${section.trim()}\n`;
  return `${sections.join('\n').trimEnd()}\n`;
}
