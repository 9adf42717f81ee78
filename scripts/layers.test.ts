import { ESLint } from 'eslint';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Types are no matter of layers, and need files that a TypeScript project knows. */
const withoutTypes = [
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { projectService: false, project: null } },
  },
];

let eslint: ESLint;
beforeAll(() => {
  eslint = new ESLint({
    cwd: root,
    overrideConfig: withoutTypes,
    ruleFilter: ({ ruleId }) => ruleId === 'boundaries/dependencies' || ruleId === 'no-restricted-imports',
  });
});

async function complaints(file: string, source: string): Promise<readonly (string | null)[]> {
  const [result] = await eslint.lintText(`import '${source}';\n`, { filePath: join(root, file) });
  return (result?.messages ?? []).map(({ ruleId, message }) => ruleId ?? message);
}

describe('the layers', () => {
  test.each([
    ['app/main/x.ts', '../../helper/main.ts'],
    ['app/cli/x.ts', '../../helper/main.ts'],
    ['app/cli/x.ts', '../main/notifier.ts'],
    ['app/renderer/x.ts', '../main/notifier.ts'],
    ['app/renderer/x.ts', '@sallyport/shared/client/reconnecting-client.ts'],
    ['app/preload/x.ts', '@sallyport/shared/client/reconnecting-client.ts'],
    ['helper/host/x.ts', '../../app/bridge/state.ts'],
    ['helper/host/x.ts', '@sallyport/shared/client/reconnecting-client.ts'],
    ['helper/host/x.ts', '../../test/rig/run.ts'],
    ['helper/providers/wireguard/x.ts', '../../log/logger.ts'],
    ['helper/providers/wireguard/x.ts', '@sallyport/shared/protocol/errors.ts'],
    ['shared/protocol/x.ts', '../provider/packet-flow.ts'],
    ['shared/provider/x.ts', '../client/reconnecting-client.ts'],
    ['shared/client/x.ts', '../../helper/main.ts'],
  ])('%s may not import %s', async (file, source) => {
    expect(await complaints(file, source)).toEqual(['boundaries/dependencies']);
  });

  test.each([
    ['app/main/x.ts', '@sallyport/shared/client/reconnecting-client.ts'],
    ['app/renderer/features/x.ts', '../../bridge/state.ts'],
    ['helper/x.ts', './host/provider-run.ts'],
    ['helper/host/x.ts', '@sallyport/shared/provider/packet-flow.ts'],
    ['helper/providers/wireguard/x.ts', '@sallyport/shared/provider/packet-flow.ts'],
    ['helper/providers/wireguard/x.ts', '@sallyport/shared/formats/tunnel-name.ts'],
    ['shared/client/x.ts', '../protocol/errors.ts'],
    ['test/netns/x.ts', '../../helper/main.ts'],
    ['scripts/x.ts', '../app/main/notifier.ts'],
  ])('%s may import %s', async (file, source) => {
    expect(await complaints(file, source)).toEqual([]);
  });
});

describe('where code runs', () => {
  test.each([
    ['app/renderer/x.ts', 'node:fs'],
    ['app/renderer/x.ts', 'electron'],
    ['app/bridge/x.ts', 'electron'],
    ['app/preload/x.ts', 'node:fs'],
    ['app/cli/x.ts', 'electron'],
    ['helper/host/x.ts', 'electron'],
    ['shared/protocol/x.ts', 'node:net'],
    ['shared/client/x.ts', 'electron'],
  ])('%s has no %s', async (file, source) => {
    expect(await complaints(file, source)).toEqual(['no-restricted-imports']);
  });

  test.each([
    ['app/preload/x.ts', 'electron'],
    ['app/main/x.ts', 'electron'],
    ['helper/host/x.ts', 'node:fs'],
  ])('%s has %s', async (file, source) => {
    expect(await complaints(file, source)).toEqual([]);
  });
});
