import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The window's origin; a scheme of our own has no file system behind it and takes response headers. */
export const scheme = 'app';
export const origin = `${scheme}://sallyport`;
export const indexUrl = `${origin}/index.html`;

/** Nothing but our own files, and no code or style that is written into a page. */
export const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const mimeTypes: Readonly<Record<string, string>> = {
  html: 'text/html',
  js: 'text/javascript',
  css: 'text/css',
  svg: 'image/svg+xml',
  png: 'image/png',
};

export interface Resource {
  readonly statusCode: number;
  readonly mimeType: string;
  readonly charset: string;
  readonly headers: Record<string, string>;
  readonly data: Buffer;
}

/**
 * Finds the file of a request's address, `index.html` or `assets/NAME.EXTENSION`.
 *
 * @returns its path below the renderer's folder, or null when the address is none of ours
 */
export function resourcePath(url: string): string | null {
  if (!url.startsWith(`${origin}/`)) return null;
  const path = url.slice(origin.length + 1);
  return /^(?:index\.html|assets\/[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.(?:js|css|svg|png))$/.test(path)
    ? path
    : null;
}

/** Answers a request out of the renderer's folder. */
export async function loadResource(folder: string, url: string): Promise<Resource> {
  const path = resourcePath(url);
  if (path === null) return notFound();
  try {
    const data = await readFile(join(folder, path));
    const extension = path.slice(path.lastIndexOf('.') + 1);
    return {
      statusCode: 200,
      mimeType: mimeTypes[extension] ?? 'application/octet-stream',
      charset: 'utf-8',
      headers: {
        'Content-Security-Policy': contentSecurityPolicy,
        'X-Content-Type-Options': 'nosniff',
        'Cross-Origin-Opener-Policy': 'same-origin',
      },
      data,
    };
  } catch {
    return notFound();
  }
}

function notFound(): Resource {
  return { statusCode: 404, mimeType: 'text/plain', charset: 'utf-8', headers: {}, data: Buffer.alloc(0) };
}

/**
 * The one method of Electron's `protocol` that every supported version has.
 *
 * `protocol.handle` replaced it in version 25, and it is still there in 45.
 */
export interface SchemeRegistrar {
  registerBufferProtocol(
    scheme: string,
    handler: (request: { url: string }, callback: (response: Resource) => void) => void,
  ): boolean;
}

/** Serves the renderer's folder under the app's own origin. */
export function serveRenderer(registrar: SchemeRegistrar, folder: string): void {
  registrar.registerBufferProtocol(scheme, (request, callback) => {
    void loadResource(folder, request.url).then(callback);
  });
}
