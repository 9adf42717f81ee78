import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import axe from 'axe-core';
import { _electron, type ElectronApplication, type Page } from 'playwright-core';
import * as z from 'zod';
import type { Person } from './person.ts';

const pictures = fileURLToPath(new URL('../../../artifacts/desktop/', import.meta.url));

export interface DesktopAppOptions {
  readonly person: Person;
  /** The packed app, or Electron's own executable with the app's folder among `args`. */
  readonly executable: string;
  readonly args?: readonly string[];
  readonly colorScheme?: 'light' | 'dark';
  readonly environment?: Readonly<Record<string, string>>;
}

/** The app as it runs for a person: with Chromium's sandbox, driven by Playwright. */
export class DesktopApp implements AsyncDisposable {
  readonly electron: ElectronApplication;
  readonly #process: ChildProcess;
  #page: Page;
  /** What the page or its policy complained about; must stay empty. */
  readonly complaints: string[];

  private constructor(electron: ElectronApplication, page: Page, complaints: string[]) {
    this.electron = electron;
    // Playwright knows it no longer once it has ended.
    this.#process = electron.process();
    this.#page = page;
    this.complaints = complaints;
  }

  static async launch(options: DesktopAppOptions): Promise<DesktopApp> {
    const { person, executable, args = [], colorScheme = 'light', environment = {} } = options;
    const electron = await _electron.launch({
      executablePath: await person.wrapper(executable),
      // Playwright may wait forever when it attaches to a window that is just being made, so there is none yet.
      args: [...args, '--background'],
      cwd: person.home,
      env: { ...person.environment, ...environment },
      chromiumSandbox: true,
      colorScheme,
      timeout: 60_000,
    });
    const complaints: string[] = [];
    electron.on('window', (window) => {
      listen(window, complaints);
    });
    const [page] = await Promise.all([
      electron.waitForEvent('window'),
      electron.evaluate(async ({ app }) => {
        await app.whenReady();
        app.emit('activate');
      }),
    ]);
    listen(page, complaints);
    page.setDefaultTimeout(20_000);
    return new DesktopApp(electron, page, complaints);
  }

  get page(): Page {
    return this.#page;
  }

  /** Waits for the window that opens next and looks at that one from here on. */
  async nextWindow(open: () => Promise<unknown>): Promise<Page> {
    const [page] = await Promise.all([this.electron.waitForEvent('window'), open()]);
    page.setDefaultTimeout(20_000);
    this.#page = page;
    return page;
  }

  /** Keeps a picture of the window in `artifacts/desktop`. */
  async picture(name: string): Promise<void> {
    await mkdir(pictures, { recursive: true });
    // What moves comes to rest, so that pictures of two runs can be compared.
    await this.#page.waitForTimeout(800);
    await this.#page.screenshot({ path: join(pictures, `${name}.png`) });
  }

  /** What axe-core finds wrong for people who see, hear or point differently: rule and element of each. */
  async barriers(): Promise<readonly string[]> {
    await this.#page.evaluate(axe.source);
    const found: unknown = await this.#page.evaluate(
      `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) =>
        violations.flatMap(({ id, nodes }) => nodes.map(({ html, any }) => [id, html, ...any.map((each) => each.message)].join(' | '))))`,
    );
    return z.array(z.string()).parse(found);
  }

  /** Drops files on the window as a file manager would. */
  async drop(...files: readonly { readonly name: string; readonly text: string }[]): Promise<void> {
    const transfer = await this.#page.evaluateHandle(
      `(() => {
        const transfer = new DataTransfer();
        for (const { name, text } of ${JSON.stringify(files)}) transfer.items.add(new File([text], name));
        return transfer;
      })()`,
    );
    const area = this.#page.locator('.drop-area');
    await area.dispatchEvent('dragenter', { dataTransfer: transfer });
    await area.dispatchEvent('drop', { dataTransfer: transfer });
  }

  /** Ends the app as the end of a session would, without questions. */
  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#process;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
    await ended;
    clearTimeout(timer);
  }
}

function listen(page: Page, complaints: string[]): void {
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
}
