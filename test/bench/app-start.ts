import { DesktopApp } from '../desktop/rig/desktop-app.ts';
import { startDesktop } from '../desktop/rig/desktop.ts';
import { installApp } from '../desktop/rig/installed-app.ts';
import { RootHelper } from '../desktop/rig/root-helper.ts';
import { seat } from '../desktop/rig/seat.ts';
import { median, round, type BenchResult } from './result.ts';

const launches = 7;

/**
 * Cold start of the packed app, from the start of its process to a window that shows the helper's tunnels.
 *
 * An ordinary user's app under Xvfb, Chromium's sandbox on, a root helper behind it. Runs inside private namespaces,
 * with the packed app named by `SALLYPORT_PACKAGED_APP`.
 */
export async function benchAppStart(): Promise<BenchResult> {
  await using stack = new AsyncDisposableStack();
  const desktop = stack.use(await startDesktop());
  const installed = stack.use(await installApp());
  stack.use(await seat(desktop.person));
  stack.use(await RootHelper.start());
  const window: number[] = [];
  const usable: number[] = [];
  for (let index = 0; index < launches; index += 1) {
    const begin = performance.now();
    await using app = await DesktopApp.launch({ person: desktop.person, executable: installed.executable });
    window.push(performance.now() - begin);
    await app.page.getByRole('heading', { name: 'Add your first tunnel' }).waitFor();
    usable.push(performance.now() - begin);
  }
  return {
    name: 'app-start',
    title: 'Cold start of the app',
    method:
      `Packed app of an ordinary user under Xvfb, ${String(launches)} launches, a new process each; ` +
      'Playwright’s own start is included.',
    columns: ['figure', 'median', 'first', 'worst'],
    rows: [
      [
        'process to window, ms',
        round(median(window), 0),
        round(window[0] ?? Number.NaN, 0),
        round(Math.max(...window), 0),
      ],
      [
        'process to usable window, ms',
        round(median(usable), 0),
        round(usable[0] ?? Number.NaN, 0),
        round(Math.max(...usable), 0),
      ],
    ],
    aims: [],
  };
}
