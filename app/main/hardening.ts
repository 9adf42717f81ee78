import { app, type Session, type WebContents } from 'electron';
import { origin } from './app-protocol.ts';
import { isPermitted, type PermissionQuestion } from './permissions.ts';

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

/**
 * Denies every request that leaves the app's own origin, and every permission but what `isScannerOpen` lets our own
 * window have.
 */
export function restrictSession(session: Session, isScannerOpen: () => boolean): void {
  const decide = (question: Omit<PermissionQuestion, 'isScannerOpen'>): boolean =>
    isPermitted({ ...question, isScannerOpen: isScannerOpen() });
  session.setPermissionRequestHandler((contents, permission, callback, details) => {
    const media = 'mediaTypes' in details ? (details.mediaTypes ?? []) : [];
    const isOwnPage = details.isMainFrame && isOwnAddress(contents.getURL());
    callback(decide({ permission, media, isOwnPage }));
  });
  session.setPermissionCheckHandler((contents, permission, requestingOrigin, details) => {
    const media = details.mediaType === undefined ? [] : [details.mediaType];
    const isOwnPage =
      details.isMainFrame && contents !== null && isOwnAddress(contents.getURL()) && isOwn(requestingOrigin);
    return decide({ permission, media, isOwnPage });
  });
  session.setDevicePermissionHandler(() => false);
  session.webRequest.onBeforeRequest((details, callback) => {
    const allowed = isOwnAddress(details.url) || (!app.isPackaged && details.url.startsWith('devtools://'));
    callback({ cancel: !allowed });
  });
  session.on('will-download', (event) => {
    event.preventDefault();
  });
}

/** An origin as Chromium spells it, with or without a slash at its end. */
function isOwn(requestingOrigin: string): boolean {
  return requestingOrigin === origin || requestingOrigin === `${origin}/`;
}
