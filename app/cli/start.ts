import { processHost } from './process-host.ts';
import { run } from './run.ts';

/**
 * Carries out this process's command line and leaves its exit code behind.
 *
 * @param packaged whether this program was built for installation; it then accepts root's endpoint alone
 */
export async function start({ packaged }: { readonly packaged: boolean }): Promise<void> {
  // Whoever read our output has read enough, `head` for instance.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? 0 : 1);
  });
  process.exitCode = await run(process.argv.slice(2), processHost({ packaged }));
}
