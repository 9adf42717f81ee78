import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { contentSecurityPolicy, loadResource, resourcePath } from './app-protocol.ts';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-renderer-'));
writeFileSync(join(folder, 'index.html'), '<p>hello</p>');
mkdirSync(join(folder, 'assets'));
writeFileSync(join(folder, 'secret.js'), 'no');
afterAll(() => {
  rmSync(folder, { recursive: true });
});

it.each([
  'app://sallyport/../secret.js',
  'app://sallyport/%2e%2e/secret.js',
  'app://sallyport/secret.js',
  'app://sallyport/assets/../secret.js',
  'app://sallyport/assets/..%2fsecret.js',
  'app://sallyport/assets/a.js?x',
  'app://sallyport/assets/.js',
  'app://sallyport//etc/passwd',
  'app://sallyport/',
  'app://other/index.html',
  'app://sallyport.evil/index.html',
  'file:///etc/passwd',
  'https://example.com/index.html',
])('serves nothing at %s', async (url) => {
  expect(resourcePath(url)).toBeNull();
  expect((await loadResource(folder, url)).statusCode).toBe(404);
});

it('serves the page with its policy', async () => {
  const page = await loadResource(folder, 'app://sallyport/index.html');
  expect(page).toMatchObject({ statusCode: 200, mimeType: 'text/html' });
  expect(page.headers['Content-Security-Policy']).toBe(contentSecurityPolicy);
  expect(page.data.toString()).toBe('<p>hello</p>');
});

it('answers 404 for a file that is not there', async () => {
  expect((await loadResource(folder, 'app://sallyport/assets/gone.js')).statusCode).toBe(404);
});

it('allows neither inline code nor remote addresses', () => {
  expect(contentSecurityPolicy).not.toMatch(/unsafe|https?:|\*|data:/);
  expect(contentSecurityPolicy).toContain("default-src 'none'");
});
