import { app, Menu, type MenuItemConstructorOptions } from 'electron';

/** Sets the menu behind Alt: what the keyboard shortcuts need, and zoom for those who read better with it. */
export function setApplicationMenu(): void {
  const developer: MenuItemConstructorOptions[] = app.isPackaged
    ? []
    : [{ type: 'separator' }, { role: 'reload' }, { role: 'toggleDevTools' }];
  const menu = Menu.buildFromTemplate([
    { label: '&File', submenu: [{ role: 'close' }, { role: 'quit' }] },
    { role: 'editMenu' },
    {
      label: '&View',
      submenu: [{ role: 'resetZoom' }, { role: 'zoomIn' }, { role: 'zoomOut' }, ...developer],
    },
  ]);
  Menu.setApplicationMenu(menu);
}
