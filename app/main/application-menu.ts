import { app, Menu, type MenuItemConstructorOptions } from 'electron';

/** The menu behind Alt: what the keyboard shortcuts need, and zoom for those who read better with it. */
export function applicationMenu(): Menu {
  const developer: MenuItemConstructorOptions[] = app.isPackaged
    ? []
    : [{ type: 'separator' }, { role: 'reload' }, { role: 'toggleDevTools' }];
  return Menu.buildFromTemplate([
    { label: '&File', submenu: [{ role: 'close' }, { role: 'quit' }] },
    { role: 'editMenu' },
    {
      label: '&View',
      submenu: [{ role: 'resetZoom' }, { role: 'zoomIn' }, { role: 'zoomOut' }, ...developer],
    },
  ]);
}
