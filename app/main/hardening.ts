import { app, type Session, type WebContents } from 'electron';
import { origin } from './app-protocol.ts';

/** Whether an address belongs to our own page. */
export function isOwnAddress(url: string): boolean {
  return url.startsWith(`${origin}/`);
}

/** Takes from every page, ours included, what the app does not use: navigation, windows, frames of others. */
export function restrictContents(contents: WebContents): void {
  contents.on('will-navigate', (event) => {
    event.preventDefault();
  });
  contents.on('will-redirect', (event) => {
    event.preventDefault();
  });
  contents.on('will-attach-webview', (event) => {
    event.preventDefault();
  });
  contents.setWindowOpenHandler(() => ({ action: 'deny' }));
}

/** Denies every permission and every request that leaves the app's own origin. */
export function restrictSession(session: Session): void {
  session.setPermissionRequestHandler((_contents, _permission, callback) => {
    callback(false);
  });
  session.setPermissionCheckHandler(() => false);
  session.setDevicePermissionHandler(() => false);
  session.webRequest.onBeforeRequest((details, callback) => {
    const allowed = isOwnAddress(details.url) || (!app.isPackaged && details.url.startsWith('devtools://'));
    callback({ cancel: !allowed });
  });
  session.on('will-download', (event) => {
    event.preventDefault();
  });
}
