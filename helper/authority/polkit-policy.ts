import type { ExtensionManifest } from '@sallyport/shared/manifest/manifest.ts';
import {
  actionId,
  actions,
  type ActionDefinition,
  type ActionName,
} from '@sallyport/shared/protocol/authorization.ts';

/** Where polkitd reads the actions of installed software, polkit(8). */
export const policyDirectory = '/usr/share/polkit-1/actions';

/** What of a manifest the policy depends on. */
export type PolicyManifest = Pick<ExtensionManifest, 'identifier' | 'name' | 'appGroup'>;

/** The policy file's name in {@link policyDirectory}; the extension's identifier keeps it from every other's. */
export function policyFileName(manifest: PolicyManifest): string {
  return `${manifest.identifier}.policy`;
}

/**
 * Declares an extension's actions to polkit, in the format of polkit(8) ("Declaring actions").
 *
 * The icon is that of the container app, which is installed under the last part of the app group.
 */
export function renderPolicy(manifest: PolicyManifest): string {
  const icon = manifest.appGroup.split('.').at(-1) ?? manifest.appGroup;
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<!DOCTYPE policyconfig PUBLIC "-//freedesktop//DTD PolicyKit Policy Configuration 1.0//EN"',
    ' "http://www.freedesktop.org/standards/PolicyKit/1/policyconfig.dtd">',
    '<!-- Written by scripts/generate-polkit-policy.ts from shared/protocol/authorization.ts. -->',
    '<policyconfig>',
    `  <vendor>${escapeXml(manifest.name)}</vendor>`,
    `  <icon_name>${escapeXml(icon)}</icon_name>`,
  ];
  for (const name of actionNames()) {
    lines.push(...renderAction(manifest.identifier, name));
  }
  return `${[...lines, '</policyconfig>'].join('\n')}\n`;
}

function renderAction(identifier: string, name: ActionName): readonly string[] {
  const id = actionId(identifier, name);
  const action: ActionDefinition = actions[name];
  const implied = action.implies.map((each) => `${identifier}.${each}`).join(' ');
  return [
    `  <action id="${escapeXml(id)}">`,
    `    <description>${escapeXml(action.description)}</description>`,
    `    <message>${escapeXml(action.message)}</message>`,
    '    <defaults>',
    `      <allow_any>${action.allowAny}</allow_any>`,
    // A session in the background is somebody who does not sit at the screen.
    `      <allow_inactive>${action.allowAny}</allow_inactive>`,
    `      <allow_active>${action.allowActive}</allow_active>`,
    '    </defaults>',
    ...(implied === ''
      ? []
      : [`    <annotate key="org.freedesktop.policykit.imply">${escapeXml(implied)}</annotate>`]),
    '  </action>',
  ];
}

function actionNames(): readonly ActionName[] {
  const isName = (name: string): name is ActionName => Object.hasOwn(actions, name);
  return Object.keys(actions).filter(isName);
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/** Text for an element or an attribute; what XML 1.0 cannot say at all becomes U+FFFD. */
export function escapeXml(text: string): string {
  return text
    .toWellFormed()
    .replace(/[^\t\n\r\u{20}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu, '\u{FFFD}')
    .replace(/[&<>"']/g, (character) => entities[character] ?? character);
}
