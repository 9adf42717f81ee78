import { join } from 'node:path';
import { Menu, Tray, nativeImage, type MenuItemConstructorOptions, type NativeImage } from 'electron';
import type { AppState } from '../bridge/state.ts';
import { trayIcons, trayView, type TrayCommand, type TrayIcon, type TrayItem } from './tray-view.ts';

/** The icon in the panel and its menu. */
export class AppTray {
  readonly #tray: Tray;
  readonly #images: ReadonlyMap<TrayIcon, NativeImage>;
  readonly #run: (command: TrayCommand) => void;
  #shown = '';

  /** @param iconFolder holds `tray-STATE.png` and `tray-STATE@2x.png` for each state */
  constructor(iconFolder: string, state: AppState, run: (command: TrayCommand) => void) {
    this.#run = run;
    this.#images = new Map(
      trayIcons.map((icon) => [icon, nativeImage.createFromPath(join(iconFolder, `tray-${icon}.png`))]),
    );
    this.#tray = new Tray(this.#image(trayView(state).icon));
    this.#tray.on('click', () => {
      run({ kind: 'open' });
    });
    this.update(state);
  }

  /** Shows a state; an unchanged view is left alone, since each new menu closes an open one. */
  update(state: AppState): void {
    const view = trayView(state);
    const shown = JSON.stringify(view);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#tray.setImage(this.#image(view.icon));
    this.#tray.setToolTip(view.tooltip);
    this.#tray.setContextMenu(Menu.buildFromTemplate(view.items.map((item) => this.#menuItem(item))));
  }

  #image(icon: TrayIcon): NativeImage {
    return this.#images.get(icon) ?? nativeImage.createEmpty();
  }

  #menuItem(item: TrayItem): MenuItemConstructorOptions {
    if (item === null) return { type: 'separator' };
    const { command } = item;
    // In a menu `&` marks the next letter as its key.
    const label = item.label.replaceAll('&', '&&');
    if (command === null) return { label, enabled: false };
    return {
      label,
      click: () => {
        this.#run(command);
      },
    };
  }
}
