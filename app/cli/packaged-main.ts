import { start } from './start.ts';

/* The command line as it is installed, one executable of its own (`scripts/build-cli.ts`). */
void start({ packaged: true });
