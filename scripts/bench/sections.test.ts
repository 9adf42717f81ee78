import { describe, expect, it } from 'vitest';
import { replaceSection } from './sections.ts';

const document = '# Title\n\nText.\n\n## One\n\nold\n\n## Two\n\nstays\n';

describe('replaceSection', () => {
  it('replaces the section of the same heading and leaves the rest', () => {
    expect(replaceSection(document, '## One\n\nnew\n')).toBe(
      '# Title\n\nText.\n\n## One\n\nnew\n\n## Two\n\nstays\n',
    );
  });

  it('adds a section that was not there', () => {
    expect(replaceSection(document, '## Three\n\nnew\n')).toBe(`${document}\n## Three\n\nnew\n`);
  });
});
