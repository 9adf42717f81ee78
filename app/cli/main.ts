#!/usr/bin/env node
import { start } from './start.ts';

/* The command line of a source tree; what is installed begins in `packaged-main.ts`. */
await start({ packaged: false });
