import { join } from 'node:path';
import { app, protocol, session } from 'electron';
import { serializeError } from '@sallyport/shared/protocol/errors.ts';
import { setApplicationMenu } from './application-menu.ts';
import { scheme, serveRenderer } from './app-protocol.ts';
import { serveBridge } from './bridge-host.ts';
import { restrictContents, restrictSession } from './hardening.ts';
import { createImporter } from './import-file.ts';
import { MainWindow } from './main-window.ts';
import { Mirror } from './mirror.ts';
import { Notifier } from './notifier.ts';
import { announceQuitting } from './quitting.ts';
import { createRequests } from './requests.ts';
import type { TrayCommand } from './tray-view.ts';
import { AppTray } from './tray.ts';
import type { TunnelClient } from './tunnel-client.ts';
import { describeConfiguration } from './tunnel-details.ts';

/** Runs the app over a client of the endpoint. The bundle's own folder holds all that is loaded from disk. */
export function runApplication(createClient: () => TunnelClient): void {
  // A second start only brings the running app to the front.
  if (!app.requestSingleInstanceLock()) {
    app.quit();
    return;
  }
  // Chromium refuses to sandbox root's programs; in a source tree, `npm start` says so and goes on without.
  if (app.isPackaged || !app.commandLine.hasSwitch('no-sandbox')) app.enableSandbox();
  protocol.registerSchemesAsPrivileged([{ scheme, privileges: { standard: true, secure: true } }]);
  app.on('web-contents-created', (_event, contents) => {
    restrictContents(contents);
  });
  // The tray goes on when the window is closed.
  app.on('window-all-closed', () => undefined);
  void app.whenReady().then(() => {
    open(createClient, __dirname);
  });
}

function open(createClient: () => TunnelClient, folder: string): void {
  // There is no scanner yet.
  restrictSession(session.defaultSession, () => false);
  serveRenderer(protocol, join(folder, 'renderer'));
  setApplicationMenu();

  const client = createClient();
  const mirror = new Mirror(client, describeConfiguration, app.isPackaged);
  const window = new MainWindow({
    preload: join(folder, 'preload.cjs'),
    icon: join(folder, 'icons', '256x256.png'),
  });
  serveBridge(createRequests(client, mirror, createImporter(client, mirror)));

  const notifier = new Notifier(
    () => window.isFocused,
    (id) => {
      window.showAndSend('tunnelSelected', { id });
    },
  );
  const tray = new AppTray(join(folder, 'icons'), mirror.state, (command) => {
    void runCommand(command, client, window);
  });
  mirror.onChange((state) => {
    window.send('stateChanged', state);
    tray.update(state);
    notifier.update(state);
  });
  client.on('displayMessage', (id, text) => {
    window.send('displayMessage', { id, text });
    notifier.show(id, mirror.configuration(id)?.name ?? 'Sallyport', text);
  });

  announceQuitting(client, mirror);
  app.on('second-instance', () => {
    window.show();
  });
  app.on('activate', () => {
    window.show();
  });
  app.on('quit', () => {
    client.close();
  });
  client.start();
  // As at login: the tray alone.
  if (!app.commandLine.hasSwitch('background')) window.show();
}

async function runCommand(command: TrayCommand, client: TunnelClient, window: MainWindow): Promise<void> {
  switch (command.kind) {
    case 'open':
      window.show();
      return;
    case 'quit':
      app.quit();
      return;
    case 'connect':
    case 'disconnect':
      try {
        await client.call(command.kind === 'connect' ? 'session.start' : 'session.stop', { id: command.id });
      } catch (error) {
        // What the menu cannot ask or say, the window does.
        window.showAndSend('connectRefused', { id: command.id, error: serializeError(error) });
      }
  }
}
