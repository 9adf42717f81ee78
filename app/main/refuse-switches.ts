import { writeSync } from 'node:fs';
import { app } from 'electron';
import { readBuildKind } from './build-kind.ts';
import { refusedSwitch } from './command-line.ts';

/** As of a command line that is wrong, sysexits(3). */
const exitCodeOfUsage = 64;

/*
 * Imported before everything else. Chromium opens its debugging port and starts its helpers only after the main script
 * was loaded, and by then this process has ended.
 */
const refused = refusedSwitch(process.argv.slice(1), readBuildKind(__dirname, app.isPackaged));
if (refused !== null) {
  const shown = refused.replace(/[^\x20-\x7e]/g, '?').slice(0, 100);
  try {
    writeSync(2, `sallyport: The switch ${shown} is not accepted; start Sallyport without it.\n`);
  } catch {
    // Nobody reads standard error.
  }
  app.exit(exitCodeOfUsage);
}
