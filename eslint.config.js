import boundaries from 'eslint-plugin-boundaries';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

/**
 * Who may import whom, by folder. A folder may always import itself; a folder inside another counts as the
 * inner one. `docs/architecture.md` says why.
 */
const layers = {
  'shared/formats': [],
  'shared/protocol': ['shared/formats'],
  'shared/manifest': ['shared/protocol', 'shared/formats'],
  'shared/provider': ['shared/protocol', 'shared/formats'],
  'shared/client': ['shared/protocol', 'shared/formats', 'shared/manifest'],
  'app/bridge': ['shared/protocol', 'shared/formats'],
  'app/preload': ['app/bridge'],
  'app/renderer': ['app/bridge', 'shared/protocol', 'shared/formats'],
  'app/main': ['app/bridge', 'shared/protocol', 'shared/formats', 'shared/manifest', 'shared/client'],
  'app/cli': ['shared/protocol', 'shared/formats', 'shared/manifest', 'shared/client'],
  'helper/providers': ['shared/provider', 'shared/formats'],
  helper: ['helper/providers', 'shared/protocol', 'shared/formats', 'shared/manifest', 'shared/provider'],
};

const root = import.meta.dirname;

/** May import everything: they drive the product from outside. */
const outside = ['scripts', 'test'];

/** Innermost folders first: the first that matches names a file's layer. */
const elements = [...Object.keys(layers), ...outside].map((folder) => ({
  type: folder,
  pattern: folder,
  partialMatch: false,
}));

function mayImport(from, to) {
  return { from: { element: { type: from } }, allow: { to: { element: { types: { anyOf: to } } } } };
}

const outsidePolicies = outside.map((from) =>
  mayImport(
    from,
    elements.map(({ type }) => type),
  ),
);

const layerPolicies = [
  ...Object.entries(layers).map(([from, to]) => mayImport(from, [from, ...to])),
  ...outsidePolicies,
];

/** A unit test may also use the rest of its workspace, all of `shared`, and what builds and drives tests. */
const testPolicies = [
  ...Object.keys(layers).map((from) => {
    const [workspace = ''] = from.split('/');
    const near = Object.keys(layers).filter(
      (to) => to.split('/')[0] === workspace || to.startsWith('shared/'),
    );
    return mayImport(from, [...near, ...outside]);
  }),
  ...outsidePolicies,
];

const tests = ['**/*.test.{ts,tsx}', '**/testing/**/*.ts'];

/** Modules that do not exist where a layer's code runs. */
function refuse(files, patterns, message) {
  return {
    files,
    ignores: tests,
    rules: {
      'no-restricted-imports': ['error', { patterns: [{ group: patterns, message }] }],
    },
  };
}

export default defineConfig(
  globalIgnores([
    '**/node_modules/',
    '**/dist/',
    'out/',
    'artifacts/',
    '**/target/',
    'helper/native/binding.d.ts',
  ]),
  { linterOptions: { reportUnusedDisableDirectives: 'error', noInlineConfig: true } },
  {
    files: ['**/*.{ts,tsx}'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: root },
    },
    rules: {
      '@typescript-eslint/consistent-type-imports': [
        'error',
        { prefer: 'type-imports', fixStyle: 'inline-type-imports' },
      ],
      // `as const` and `satisfies` are no assertions; what is not known is checked at run time.
      '@typescript-eslint/consistent-type-assertions': ['error', { assertionStyle: 'never' }],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/ban-ts-comment': 'error',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true },
      ],
      // Hooks that a provider may override do nothing by themselves.
      '@typescript-eslint/no-empty-function': ['error', { allow: ['methods', 'asyncMethods'] }],
      // Spreading a string into code points is what names and escapes are counted in.
      '@typescript-eslint/no-misused-spread': ['error', { allow: ['string'] }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true, requireDefaultForNonUnion: true },
      ],
      'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
      eqeqeq: ['error', 'always', { null: 'ignore' }],
    },
  },
  {
    files: ['**/*.{ts,tsx}'],
    plugins: { boundaries },
    settings: {
      'boundaries/elements': elements,
      'boundaries/root-path': root,
      'import/resolver': { node: { extensions: ['.ts', '.tsx', '.js'], preserveSymlinks: false } },
    },
    rules: {
      'boundaries/dependencies': ['error', { default: 'disallow', policies: layerPolicies }],
    },
  },
  {
    files: tests,
    rules: {
      // Matchers such as `expect.anything()` are typed `any`.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      'boundaries/dependencies': ['error', { default: 'disallow', policies: testPolicies }],
    },
  },
  refuse(
    ['shared/protocol/**', 'shared/formats/**', 'shared/provider/**'],
    ['node:*', 'electron', 'electron/*'],
    'This runs in the renderer as well, or in any provider: no Node, no Electron.',
  ),
  refuse(
    ['app/renderer/**', 'app/bridge/**'],
    ['node:*', 'electron', 'electron/*'],
    'The renderer is sandboxed: it has the bridge and nothing else.',
  ),
  refuse(['app/preload/**'], ['node:*'], 'A sandboxed preload script has `electron` and nothing of Node.'),
  refuse(
    ['app/cli/**', 'helper/**', 'shared/client/**', 'shared/manifest/**'],
    ['electron', 'electron/*'],
    'This runs without Electron.',
  ),
);
