import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fetchText, pageUrl } from '../rig/measure.ts';
import { PeerNetwork } from '../rig/peer-network.ts';
import { pageText } from '../rig/peer-site.ts';
import { run } from '../rig/run.ts';
import type { PolkitRig } from '../rig/polkit.ts';
import { waitUntil } from '../rig/wait.ts';
import { DesktopApp } from './rig/desktop-app.ts';
import { startDesktop, type Desktop } from './rig/desktop.ts';
import { expectVisible } from './rig/expect-visible.ts';
import { installApp, type InstalledApp } from './rig/installed-app.ts';
import { seat } from './rig/seat.ts';
import { RootHelper } from './rig/root-helper.ts';

/**
 * The packed app of an ordinary user, Chromium's sandbox on, against a helper that runs as root at the system's
 * endpoint, with a foreign WireGuard peer behind a cable. One story: each test goes on where the last one stopped.
 */

const stack = new AsyncDisposableStack();
let desktop: Desktop;
let installed: InstalledApp;
let network: PeerNetwork;
let polkit: PolkitRig;
let helper: RootHelper;
let app: DesktopApp;
let conf: { readonly text: string; readonly publicKey: string };

const launch = (colorScheme: 'light' | 'dark' = 'light') =>
  DesktopApp.launch({ person: desktop.person, executable: installed.executable, colorScheme });

const configure = 'org.sallyport.helper.configure';

/** Actions for which a password was asked, oldest first. */
const passwordsAsked = async () => (await polkit.asked()).map(({ actionId }) => actionId);

/** Bytes and handshakes that the peer has seen of our client. */
async function seenByPeer() {
  const client = (await network.statistics()).find((each) => each.publicKey === conf.publicKey);
  if (client === undefined) throw new Error('The peer does not know the client.');
  return client;
}

/** The whole title: “Not connected” is none that says “Connected”. */
const title = (text: string) =>
  expectVisible(app.page.locator('.connection-title').getByText(text, { exact: true }));
/** The menu follows the window a moment later. */
async function clickTray(label: string): Promise<void> {
  await expect.poll(() => desktop.tray.menu()).toContain(label);
  await desktop.tray.click(label);
}

const button = (name: string) => app.page.getByRole('button', { name, exact: true });

beforeAll(async () => {
  desktop = stack.use(await startDesktop());
  installed = stack.use(await installApp());
  network = stack.use(await PeerNetwork.start());
  polkit = stack.use(await seat(desktop.person));
  conf = await network.clientConf({ persistentKeepalive: 1 });
  app = stack.use(await launch());
});

afterAll(() => stack.disposeAsync());

describe('without a helper', () => {
  it('says that the extension is not active and what to do', async () => {
    await expectVisible(app.page.getByRole('heading', { name: 'The extension is not active' }));
    await expectVisible(app.page.getByText('Ask an administrator to start it.'));
    await app.picture('packed-unreachable');
  });

  it('says so in the tray', async () => {
    await expect
      .poll(async () => (await desktop.tray.item()).tooltip)
      .toBe('Sallyport – Extension not active');
    expect(await desktop.tray.menu()).toEqual(['Open Sallyport', 'Quit']);
  });

  it('goes on by itself once the helper is there', async () => {
    helper = stack.use(await RootHelper.start());
    await expectVisible(app.page.getByRole('heading', { name: 'Add your first tunnel' }), 40_000);
    await app.picture('packed-empty');
  });
});

describe('the process of the app', () => {
  it('is an ordinary user’s, and its renderer is in a sandbox', async () => {
    const pid = app.electron.process().pid;
    const status = await run('ps', ['-o', 'uid=', '--pid', String(pid)]);
    expect(Number(status)).toBe(desktop.person.uid);
    const facts = await app.electron.evaluate(({ app: main, BrowserWindow }) => ({
      packaged: main.isPackaged,
      arguments: process.argv.join(' '),
      renderer: BrowserWindow.getAllWindows()[0]?.webContents.getOSProcessId(),
    }));
    expect(facts.packaged).toBe(true);
    expect(facts.arguments).not.toContain('no-sandbox');
    // A sandboxed renderer filters its system calls: mode 2 of seccomp(2).
    const seccomp = await run('grep', ['^Seccomp:', `/proc/${String(facts.renderer)}/status`]);
    expect(seccomp.trim()).toMatch(/^Seccomp:\s+2$/);
  });

  it('gives its page the bridge and nothing else', async () => {
    const seen = await app.page.evaluate(
      `({ bridge: Object.keys(window.sallyport).sort(), node: [typeof require, typeof process, typeof module] })`,
    );
    expect(seen).toEqual({
      bridge: [
        'connect',
        'disconnect',
        'importFile',
        'on',
        'readState',
        'readStatistics',
        'reconnect',
        'remove',
        'rename',
      ],
      node: ['undefined', 'undefined', 'undefined'],
    });
  });

  it('refuses calls that do not fit the bridge', async () => {
    const call = (code: string) => app.page.evaluate(`${code}.then(() => 'answered', () => 'refused')`);
    expect(await call(`window.sallyport.connect({ id: '../../etc', supersede: false })`)).toBe('refused');
    expect(
      await call(`window.sallyport.importFile({ name: 'x', bytes: 'text', withoutScripts: false })`),
    ).toBe('refused');
  });
});

describe('a file', () => {
  it('with a mistake is refused with its line and reason', async () => {
    const wrong = conf.text.replace(/^AllowedIPs = .*$/m, 'AllowedIPs = 10.0.0.0/33');
    const line = wrong.split('\n').findIndex((text) => text.startsWith('AllowedIPs')) + 1;
    await app.drop({ name: 'broken.conf', text: wrong });
    const dialog = app.page.getByRole('dialog', { name: 'broken.conf was not imported' });
    await expectVisible(dialog.getByText(`Line ${String(line)}`));
    expect(await dialog.innerText()).toMatch(/10\.0\.0\.0\/33/);
    await app.picture('packed-refused');
    await dialog.getByRole('button', { name: 'Close' }).click();
    await expectVisible(app.page.getByRole('heading', { name: 'Add your first tunnel' }));
  });

  it('becomes no tunnel when the administrator does not agree, and the reason is told', async () => {
    await polkit.answer(desktop.person.uid, 'dismiss');
    await app.drop({ name: 'home.conf', text: conf.text });
    await expectVisible(app.page.getByRole('dialog', { name: 'home.conf was not imported' }));
    expect(await passwordsAsked()).toEqual([configure]);
    await app.picture('packed-denied');
    await polkit.answer(desktop.person.uid, 'yes');
    await app.page.keyboard.press('Escape');
    await expectVisible(app.page.getByRole('heading', { name: 'Add your first tunnel' }));
  });

  it('with scripts is imported only by choice, and without them', async () => {
    const scripted = conf.text.replace('[Peer]', 'PostUp = touch /tmp/sallyport-was-here\n[Peer]');
    await app.drop({ name: 'scripted.conf', text: scripted });
    const dialog = app.page.getByRole('dialog', { name: 'scripted.conf was not imported' });
    await expectVisible(dialog.getByText('PostUp'));
    await app.picture('packed-scripts');
    await dialog.getByRole('button', { name: 'Import without scripts' }).click();
    await expectVisible(app.page.getByRole('heading', { level: 1, name: 'scripted' }));
    await expectVisible(app.page.getByText('Left out: PostUp'));
    await button('Remove').click();
    await app.page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
    await expectVisible(app.page.getByRole('heading', { name: 'Add your first tunnel' }));
  });

  it('that is right becomes a tunnel', async () => {
    await app.drop({ name: 'home.conf', text: conf.text });
    await expectVisible(app.page.getByRole('heading', { level: 1, name: 'home' }));
    await title('Not connected');
    // Asked for at the import before, and kept by polkit since.
    expect(await passwordsAsked()).toEqual([configure, configure]);
    await app.picture('packed-imported');
  });
});

describe('the button', () => {
  it('connects, with a real handshake', async () => {
    expect((await seenByPeer()).latestHandshake).toBe(0);
    const asked = await passwordsAsked();
    await button('Connect').click();
    await title('Connected');
    // Whoever sits in front of the computer may use its tunnels.
    expect(await passwordsAsked()).toEqual(asked);
    await waitUntil('the peer saw a handshake', async () => (await seenByPeer()).latestHandshake > 0);
    const facts = app.page.locator('.tunnel-facts');
    await expect
      .poll(() => facts.innerText(), { timeout: 10_000 })
      .toMatch(/Latest handshake\s+(just now|\d+ seconds? ago)/);
    expect((await fetchText(pageUrl(network.site.tunnel.v4))).trimEnd()).toBe(pageText);
    await expect.poll(async () => (await seenByPeer()).received, { timeout: 10_000 }).toBeGreaterThan(0);
    await app.page.waitForTimeout(3000);
    await app.picture('packed-connected');
  });

  it('tells the tray', async () => {
    expect((await desktop.tray.item()).tooltip).toBe('Sallyport – Connected: home');
    expect(await desktop.tray.menu()).toEqual(['Disconnect home', 'Open Sallyport', 'Quit']);
  });

  it('disconnects, and nothing is left of the interface', async () => {
    await button('Disconnect').click();
    await title('Not connected');
    expect(await run('ip', ['-o', 'link', 'show', 'type', 'tun'])).toBe('');
  });
});

describe('the tray', () => {
  it('connects and disconnects by its menu, and shows each state', async () => {
    const idle = (await desktop.tray.item()).icon;
    await clickTray('Connect home');
    await title('Connected');
    await expect.poll(async () => (await desktop.tray.item()).icon).not.toBe(idle);
    await clickTray('Disconnect home');
    await title('Not connected');
    await expect.poll(async () => (await desktop.tray.item()).icon).toBe(idle);
  });

  it('goes on while the window is closed, and opens it again', async () => {
    await app.page.close();
    await expect.poll(() => desktop.tray.menu()).toEqual(['Connect home', 'Open Sallyport', 'Quit']);
    await app.nextWindow(() => clickTray('Open Sallyport'));
    await title('Not connected');
  });
});

describe('a second tunnel with the same routes', () => {
  it('[M3] takes the place of the first only after the person agreed', async () => {
    const second = await network.clientConf();
    await app.drop({ name: 'office.conf', text: second.text });
    await expectVisible(app.page.getByRole('heading', { level: 1, name: 'office' }));
    await clickTray('Connect home');
    await expect.poll(() => desktop.tray.menu()).toContain('Disconnect home');
    await button('Connect').click();
    const dialog = app.page.getByRole('dialog', { name: 'Switch from home to office?' });
    await expectVisible(dialog);
    await app.picture('packed-conflict');
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    await title('Not connected');
    expect(await desktop.tray.menu()).toContain('Disconnect home');

    await clickTray('Connect office');
    await dialog.getByRole('button', { name: 'Disconnect home and connect' }).click();
    await title('Connected');
    await expect
      .poll(() => desktop.tray.menu())
      .toEqual(expect.arrayContaining(['Connect home', 'Disconnect office']));
    await button('Remove').click();
    await app.page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
    await expectVisible(app.page.getByRole('heading', { level: 1, name: 'home' }));
    await title('Not connected');
  });
});

describe('quitting', () => {
  it('says that the tunnel stays, and leaves it up', async () => {
    await button('Connect').click();
    await title('Connected');
    // The question is a native dialog, which Playwright cannot see: the test answers in its place.
    await app.electron.evaluate(({ dialog }) => {
      const ask = (options: unknown) => {
        Reflect.set(globalThis, 'quitQuestion', options);
        return Promise.resolve({ response: 2, checkboxChecked: false });
      };
      Reflect.set(dialog, 'showMessageBox', ask);
    });
    await clickTray('Quit');
    const question = async (): Promise<unknown> =>
      JSON.parse(
        await app.electron.evaluate(() => JSON.stringify(Reflect.get(globalThis, 'quitQuestion') ?? null)),
      );
    await expect.poll(question).toMatchObject({
      message: '“home” stays connected when Sallyport quits.',
      buttons: ['Quit and stay connected', 'Disconnect and quit', 'Cancel'],
    });
    await title('Connected');

    const ended = new Promise((resolve) => app.electron.process().once('exit', resolve));
    await app.electron.evaluate(({ dialog }) => {
      Reflect.set(dialog, 'showMessageBox', () => Promise.resolve({ response: 0, checkboxChecked: false }));
    });
    await clickTray('Quit');
    await ended;
    const before = (await seenByPeer()).received;
    await waitUntil('traffic goes on', async () => (await seenByPeer()).received > before, 10_000);
  });

  it('is not the end: opened again, it shows the tunnel as it is', async () => {
    app = stack.use(await launch('dark'));
    await title('Connected');
    await app.page.waitForTimeout(3000);
    await app.picture('packed-connected-dark');
    await button('Disconnect').click();
    await title('Not connected');
  });
});

describe('a helper that goes away', () => {
  it('is missed at once and found again', async () => {
    await helper.stop();
    await expectVisible(app.page.getByRole('heading', { name: 'The extension is not active' }));
    await helper.startAgain();
    await expectVisible(app.page.getByRole('heading', { level: 1, name: 'home' }), 40_000);
  });
});

it('breaks no rule of its page’s policy', () => {
  expect(app.complaints).toEqual([]);
});

describe('the bridge', () => {
  /** Makes a window with the app's own preload script, runs code in its page and calls what that returns. */
  const callFrom = (url: string, place: string) =>
    app.electron.evaluate(
      async ({ app: main, BrowserWindow }, [address = '', code = '']) => {
        const preload = `${main.getAppPath()}/preload.cjs`;
        const window = new BrowserWindow({
          show: false,
          // The app's own window does not even have this one.
          webPreferences: { preload, sandbox: true, nodeIntegrationInSubFrames: true },
        });
        try {
          await window.loadURL(address);
          return String(
            await window.webContents.executeJavaScript(
              `(async () => {
                const place = ${code};
                await new Promise((resolve) => setTimeout(resolve, 500));
                if (place.sallyport === undefined) return 'no bridge';
                return place.sallyport.readState({}).then(() => 'answered', (error) => error.message);
              })()`,
            ),
          );
        } finally {
          window.destroy();
        }
      },
      [url, place],
    );
  /** A frame inside the page, empty or with a document of its own. */
  const frame = (document: string | null) => `(() => {
    const frame = document.createElement('iframe');
    const text = ${JSON.stringify(document)};
    if (text !== null) frame.srcdoc = text;
    return document.body.appendChild(frame).contentWindow;
  })()`;

  it('answers our own page', async () => {
    expect(await callFrom('app://sallyport/index.html', 'window')).toBe('answered');
  });

  it('answers no other page, though it had the preload script', async () => {
    expect(await callFrom('about:blank', 'window')).toContain('This page may not call the app.');
  });

  it('is not there for a frame inside a page', async () => {
    expect(await callFrom('app://sallyport/index.html', frame(null))).toBe('no bridge');
    expect(await callFrom('about:blank', frame('<p>A page</p>'))).toBe('no bridge');
  });
});

describe('the page', () => {
  it('is permitted nothing', async () => {
    const ask = (code: string) => app.page.evaluate(`${code}.then(() => 'granted', (error) => error.name)`);
    expect(await ask('navigator.mediaDevices.getUserMedia({ video: true })')).toMatch(/NotAllowed|NotFound/);
    expect(await ask('navigator.mediaDevices.getUserMedia({ audio: true })')).toMatch(/NotAllowed|NotFound/);
    expect(await app.page.evaluate('Notification.requestPermission()')).toBe('denied');
    const states = await app.page.evaluate(
      `Promise.all(['notifications', 'geolocation', 'camera', 'microphone', 'clipboard-read', 'midi'].map(
        (name) => navigator.permissions.query({ name }).then(({ state }) => state)))`,
    );
    expect(states).toEqual(Array.from({ length: 6 }, () => 'denied'));
  });

  // The last, since Playwright goes on waiting for a navigation that was denied.
  it('goes nowhere', async () => {
    const before = app.page.url();
    await app.page.evaluate(`location.href = 'https://example.com/'`);
    expect(await app.page.evaluate(`window.open('https://example.com/') === null`)).toBe(true);
    const fetched = await app.page.evaluate(`fetch('https://example.com/').then(() => 'yes', () => 'no')`);
    expect(fetched).toBe('no');
    expect(app.page.url()).toBe(before);
    expect(app.electron.windows()).toHaveLength(1);
  });
});
