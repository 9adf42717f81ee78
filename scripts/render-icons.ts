import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { _electron } from 'playwright-core';
import { trayIcons } from '../app/main/tray-view.ts';
import { ensureElectron } from '../test/rig/electron-runtime.ts';

/**
 * Draws the PNG files of `build/icons` from the SVG files in its `source` folder, with Electron's own renderer.
 *
 * Run it after a drawing was changed: `node scripts/render-icons.ts`, with a display or under `xvfb-run`.
 */

const icons = fileURLToPath(new URL('../build/icons/', import.meta.url));
const drawings = [
  ...[16, 32, 48, 64, 128, 256, 512].map((size) => ({
    source: 'sallyport.svg',
    target: `${String(size)}x${String(size)}.png`,
    size,
  })),
  ...trayIcons.flatMap((icon) => [
    { source: `tray-${icon}.svg`, target: `tray-${icon}.png`, size: 22 },
    { source: `tray-${icon}.svg`, target: `tray-${icon}@2x.png`, size: 44 },
  ]),
];

const folder = await mkdtemp(join(tmpdir(), 'sallyport-icons-'));
try {
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'icons', main: 'main.cjs' }));
  await writeFile(
    join(folder, 'main.cjs'),
    "const { app, BrowserWindow } = require('electron');" +
      "app.whenReady().then(() => new BrowserWindow({ show: false }).loadURL('about:blank'));",
  );
  const { executable } = await ensureElectron();
  // Chromium refuses to sandbox root; what is drawn here is our own.
  const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const electron = await _electron.launch({ executablePath: executable, args: [...sandbox, folder] });
  try {
    const page = await electron.firstWindow();
    for (const { source, target, size } of drawings) {
      const svg = await readFile(join(icons, 'source', source), 'base64');
      const png = String(await page.evaluate(drawing(svg, size)));
      await writeFile(join(icons, target), Buffer.from(png.slice(png.indexOf(',') + 1), 'base64'));
    }
  } finally {
    await electron.close();
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** A program for the page: draws an SVG into a canvas, which keeps its transparency, and returns a data URL. */
function drawing(svg: string, size: number): string {
  return `(async () => {
    const image = new Image(${String(size)}, ${String(size)});
    image.src = 'data:image/svg+xml;base64,${svg}';
    await image.decode();
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = ${String(size)};
    canvas.getContext('2d').drawImage(image, 0, 0, ${String(size)}, ${String(size)});
    return canvas.toDataURL('image/png');
  })()`;
}
