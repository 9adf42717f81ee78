#!/usr/bin/env node
import { processHost } from './process-host.ts';
import { run } from './run.ts';

// What is built for installation is JavaScript; a source tree runs this very file.
const packaged = !import.meta.url.endsWith('.ts');

// Whoever read our output has read enough, `head` for instance.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

process.exitCode = await run(process.argv.slice(2), processHost({ packaged }));
