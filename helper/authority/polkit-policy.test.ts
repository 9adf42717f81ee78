import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sallyportManifest } from '@sallyport/shared/manifest/sallyport-manifest.ts';
import { actionId, actions } from '@sallyport/shared/protocol/authorization.ts';
import { escapeXml, policyFileName, renderPolicy } from './polkit-policy.ts';

test('the product’s policy is up to date; if not, run: node scripts/generate-polkit-policy.ts', async () => {
  const path = new URL(`../../build/polkit/${policyFileName(sallyportManifest)}`, import.meta.url);
  expect(await readFile(path, 'utf8')).toBe(renderPolicy(sallyportManifest));
});

describe('a policy', () => {
  test('[E4] declares every action once, with its defaults and nothing looser', () => {
    const text = renderPolicy(sallyportManifest);
    for (const [name, action] of Object.entries(actions)) {
      const [, ...found] = text.split(`<action id="org.sallyport.helper.${name}">`);
      expect(found).toHaveLength(1);
      const block = found[0]?.split('</action>')[0];
      expect(block).toContain(`<message>${action.message}</message>`);
      expect(block).toContain(`<allow_any>${action.allowAny}</allow_any>`);
      expect(block).toContain(`<allow_inactive>${action.allowAny}</allow_inactive>`);
      expect(block).toContain(`<allow_active>${action.allowActive}</allow_active>`);
    }
    expect(text.split('<action ')).toHaveLength(Object.keys(actions).length + 1);
    expect(text.match(/>yes</g)).toHaveLength(1);
  });

  test('of another extension has its own file and ids, and no name breaks it', () => {
    const manifest = { identifier: 'com.example.vpn', name: 'R&D <"VPN">', appGroup: 'com.example' };
    const text = renderPolicy(manifest);
    expect(policyFileName(manifest)).toBe('com.example.vpn.policy');
    expect(text).toContain('<vendor>R&amp;D &lt;&quot;VPN&quot;&gt;</vendor>');
    expect(text).toContain('<icon_name>example</icon_name>');
    expect(text).toContain(`id="${actionId('com.example.vpn', 'use')}"`);
    expect(text).not.toContain('org.sallyport');
  });
});

describe('escaping', () => {
  test('what XML cannot say becomes a replacement character', () => {
    expect(escapeXml('a\0b\u{1b}c\u{d800}d\u{fffe}')).toBe('a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}');
    expect(escapeXml("it's 😀\n")).toBe('it&apos;s 😀\n');
  });

  test('no text leaves its element', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const escaped = escapeXml(text);
        expect(escaped).not.toMatch(/[<>"']|&(?!(amp|lt|gt|quot|apos);)/);
        expect(escaped.replaceAll(/[\t\n\r]/g, '')).toMatch(/^[ -\u{FFFD}\u{10000}-\u{10FFFF}]*$/u);
        expect(escaped.isWellFormed()).toBe(true);
      }),
    );
  });
});
