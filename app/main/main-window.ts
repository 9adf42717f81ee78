import { join } from 'node:path';
import { app, BrowserWindow, nativeTheme, screen } from 'electron';
import type { EventName, EventPayload } from '../bridge/channels.ts';
import { indexUrl } from './app-protocol.ts';
import { sendEvent } from './bridge-host.ts';
import { defaultSize, minimumSize, readBounds, usableBounds, writeBounds } from './window-bounds.ts';

export interface WindowFiles {
  readonly preload: string;
  readonly icon: string;
}

/** The app's one window; it exists only while it is open, so that a closed one costs no memory. */
export class MainWindow {
  readonly #files: WindowFiles;
  readonly #boundsFile: string;
  readonly #pending: ((window: BrowserWindow) => void)[] = [];
  #window: BrowserWindow | null = null;
  #loaded = false;

  constructor(files: WindowFiles) {
    this.#files = files;
    this.#boundsFile = join(app.getPath('userData'), 'window.json');
  }

  get isFocused(): boolean {
    return this.#window?.isFocused() ?? false;
  }

  /** Opens the window, or brings the open one to the front. */
  show(): void {
    if (this.#window === null) {
      this.#open();
      return;
    }
    if (this.#window.isMinimized()) this.#window.restore();
    this.#window.show();
    this.#window.focus();
  }

  /** Tells an open window; a closed one asks for the state when it opens. */
  send<N extends EventName>(name: N, payload: EventPayload<N>): void {
    if (this.#window !== null && this.#loaded) sendEvent(this.#window.webContents, name, payload);
  }

  /** Opens the window and tells it once its page is there. */
  showAndSend<N extends EventName>(name: N, payload: EventPayload<N>): void {
    this.show();
    if (this.#loaded) this.send(name, payload);
    else
      this.#pending.push((window) => {
        sendEvent(window.webContents, name, payload);
      });
  }

  #open(): void {
    const stored = readBounds(this.#boundsFile);
    const bounds =
      stored === null
        ? null
        : usableBounds(
            stored,
            screen.getAllDisplays().map((each) => each.workArea),
          );
    const window = new BrowserWindow({
      ...defaultSize,
      ...bounds,
      minWidth: minimumSize.width,
      minHeight: minimumSize.height,
      title: 'Sallyport',
      icon: this.#files.icon,
      show: false,
      autoHideMenuBar: true,
      // The page's own background, so that no white flashes before its first paint.
      backgroundColor: nativeTheme.shouldUseDarkColors ? '#17191d' : '#ffffff',
      webPreferences: {
        preload: this.#files.preload,
        sandbox: true,
        contextIsolation: true,
        nodeIntegration: false,
        nodeIntegrationInWorker: false,
        nodeIntegrationInSubFrames: false,
        webviewTag: false,
        navigateOnDragDrop: false,
        spellcheck: false,
        devTools: !app.isPackaged,
      },
    });
    this.#window = window;
    window.once('ready-to-show', () => {
      window.show();
    });
    window.webContents.once('did-finish-load', () => {
      this.#loaded = true;
      for (const tell of this.#pending.splice(0)) tell(window);
    });
    window.on('close', () => {
      writeBounds(this.#boundsFile, window.getNormalBounds());
    });
    window.on('closed', () => {
      this.#window = null;
      this.#loaded = false;
      this.#pending.length = 0;
    });
    void window.loadURL(indexUrl);
  }
}
