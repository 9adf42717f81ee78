import { startDeveloperHelper } from '../../../scripts/start/start-developer-helper.ts';

/* Run as the person: starts what `npm start` starts beside the app, and ends it when its input ends. */
const helper = await startDeveloperHelper();
process.stdout.write(`${JSON.stringify(helper.facts)}\n`);
process.stdin.resume();
process.stdin.once('end', () => {
  void helper[Symbol.asyncDispose]();
});
