import { connectEndpoint } from '@sallyport/shared/client/connect-endpoint.ts';
import { sallyportManifest } from '@sallyport/shared/manifest/sallyport-manifest.ts';
import type { Host } from './host.ts';
import { findAgent, startAgent } from './password-agent.ts';

/** The process and machine that the program runs on. */
export function processHost({ packaged }: { readonly packaged: boolean }): Host {
  const uid = process.getuid?.() ?? 0;
  return {
    stdout: { write: (text) => process.stdout.write(text), isTTY: process.stdout.isTTY },
    stderr: { write: (text) => process.stderr.write(text), isTTY: process.stderr.isTTY },
    readStdin,
    environment: process.env,
    connect: (receiver) =>
      connectEndpoint({
        manifest: sallyportManifest,
        packaged,
        client: { name: 'sallyport', version: sallyportManifest.version },
        receiver,
      }),
    startAgent: async () => {
      const path = findAgent({
        uid,
        stdinIsTTY: process.stdin.isTTY,
        stdoutIsTTY: process.stdout.isTTY,
        searchPath: process.env['PATH'],
      });
      return path === null ? null : startAgent(path);
    },
    onInterrupt: (listener) => {
      process.on('SIGINT', listener);
      process.on('SIGTERM', listener);
      return () => {
        process.off('SIGINT', listener);
        process.off('SIGTERM', listener);
      };
    },
    now: Date.now,
  };
}

async function readStdin(limit: number): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size = 0;
  const stream: AsyncIterable<string | Buffer> = process.stdin;
  for await (const chunk of stream) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    chunks.push(bytes);
    size += bytes.byteLength;
    if (size > limit) break;
  }
  return new Uint8Array(Buffer.concat(chunks));
}
