import { app, dialog, powerMonitor } from 'electron';
import type { Mirror } from './mirror.ts';
import { quitQuestion } from './quit-question.ts';
import type { TunnelClient } from './tunnel-client.ts';

/** Says, before the app quits under a running session, that the tunnel stays. */
export function announceQuitting(client: TunnelClient, mirror: Mirror): void {
  let decided = false;
  let asking = false;
  const quit = (): void => {
    decided = true;
    app.quit();
  };
  app.on('before-quit', (event) => {
    const question = decided ? null : quitQuestion(mirror.state);
    if (question === null) return;
    event.preventDefault();
    if (asking) return;
    asking = true;
    void dialog
      .showMessageBox({
        type: 'question',
        title: 'Quit Sallyport',
        message: question.message,
        detail: question.detail,
        buttons: [...question.buttons],
        defaultId: 0,
        cancelId: 2,
        noLink: true,
      })
      .then(async ({ response }) => {
        if (response === 2) return;
        if (response === 1) await stopAll(client, question.ids);
        quit();
      })
      .catch((error: unknown) => {
        dialog.showErrorBox('The tunnel could not be disconnected', String(error));
      })
      .finally(() => {
        asking = false;
      });
  });
  // Nobody is there to answer when the machine shuts down or the session manager ends the app.
  powerMonitor.on('shutdown', () => {
    decided = true;
  });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, quit);
}

async function stopAll(client: TunnelClient, ids: readonly string[]): Promise<void> {
  await Promise.all(ids.map((id) => client.call('session.stop', { id })));
}
