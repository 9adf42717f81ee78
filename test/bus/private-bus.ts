import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Background } from '../rig/background.ts';
import { waitUntil } from '../rig/wait.ts';

/** Debian's python3-dbusmock belongs to the system's own Python. */
const python = '/usr/bin/python3';

const variable = 'DBUS_SYSTEM_BUS_ADDRESS';

/**
 * A system bus for this process alone: while it exists, `DBUS_SYSTEM_BUS_ADDRESS` leads to it. Everybody may do
 * everything on it, and it starts the services that {@link startable} names.
 */
export class PrivateBus implements AsyncDisposable {
  readonly directory: string;
  readonly #before = process.env[variable];
  readonly #running: Background[] = [];

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async start(): Promise<PrivateBus> {
    const bus = new PrivateBus(await mkdtemp(join(tmpdir(), 'sallyport-bus-')));
    try {
      await bus.#start();
    } catch (error) {
      await bus[Symbol.asyncDispose]();
      throw error;
    }
    return bus;
  }

  async #start(): Promise<void> {
    const address = `unix:path=${join(this.directory, 'bus')}`;
    const services = join(this.directory, 'services');
    await mkdir(services);
    const configuration = join(this.directory, 'bus.conf');
    await writeFile(
      configuration,
      `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
         "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
       <busconfig>
         <listen>${address}</listen>
         <auth>EXTERNAL</auth>
         <servicedir>${services}</servicedir>
         <policy context="default">
           <allow send_destination="*"/><allow eavesdrop="true"/><allow own="*"/><allow user="*"/>
         </policy>
       </busconfig>`,
    );
    const daemon = ['--nofork', '--nopidfile', '--print-address', `--config-file=${configuration}`];
    this.#running.push(await Background.start('dbus-daemon', daemon, { ready: /^unix:path=/ }));
    process.env[variable] = address;
  }

  /**
   * Puts a mock on the bus: a template of dbusmock by its name, or a file beside this one. Resolves once `isUp`.
   */
  async mock(
    template: string,
    isUp: () => boolean,
    parameters: Readonly<Record<string, unknown>> = {},
  ): Promise<Mock> {
    const log = join(this.directory, `${template}.log`);
    const path = template.endsWith('.py') ? fileURLToPath(new URL(template, import.meta.url)) : template;
    const words = ['-u', '-m', 'dbusmock', '--system', '-l', log, '-t', path];
    const running = await Background.start(python, [...words, '-p', JSON.stringify(parameters)]);
    this.#running.push(running);
    await running.until(() => Promise.resolve(isUp()));
    return new Mock(running, log);
  }

  /** Lets the bus start a service when somebody calls it; starting it leaves the file that is returned. */
  async startable(name: string): Promise<string> {
    const started = join(this.directory, `${name}.started`);
    const service = `[D-BUS Service]\nName=${name}\nExec=/usr/bin/touch ${started}\n`;
    await writeFile(join(this.directory, 'services', `${name}.service`), service);
    return started;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const running of this.#running.reverse()) await running.stop();
    if (this.#before === undefined) Reflect.deleteProperty(process.env, variable);
    else process.env[variable] = this.#before;
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** A mocked service that remembers who called what. */
export class Mock {
  readonly #running: Background;
  readonly #log: string;

  constructor(running: Background, log: string) {
    this.#running = running;
    this.#log = log;
  }

  /** What dbusmock wrote so far, a line for each call and signal, without the times. */
  async lines(): Promise<string[]> {
    const lines = (await readFile(this.#log, 'utf8')).split('\n');
    return lines.filter((line) => line !== '').map((line) => line.replace(/^[0-9.]+ /, ''));
  }

  /** The calls so far that a template of ours wrote as JSON: the method and its arguments. */
  async calls(): Promise<unknown[]> {
    const lines = (await this.lines()).filter((line) => line.startsWith('= '));
    return lines.map((line): unknown => JSON.parse(line.slice(2)));
  }

  async stop(isDown: () => boolean): Promise<void> {
    await this.#running.stop();
    await waitUntil('the bus to notice', isDown);
  }
}
