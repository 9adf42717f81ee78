import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { FakeHelper } from '@sallyport/shared/client/testing/fake-helper.ts';
import { sampleConf } from '@sallyport/shared/client/testing/sample-conf.ts';
import { allCommands } from '../all-commands.ts';
import { TestHost, type TestHostOptions } from './test-host.ts';

/** A fake helper, a good `.conf` file, and the CLI in this process. */
export class CliFixture {
  readonly helper: FakeHelper;
  readonly directory: string;
  readonly confFile: string;

  private constructor(helper: FakeHelper, directory: string) {
    this.helper = helper;
    this.directory = directory;
    this.confFile = join(directory, 'home.conf');
  }

  static async start(): Promise<CliFixture> {
    const directory = await mkdtemp(join(tmpdir(), 'sallyport-cli-'));
    const fixture = new CliFixture(await FakeHelper.start(), directory);
    await writeFile(fixture.confFile, sampleConf);
    return fixture;
  }

  async close(): Promise<void> {
    await this.helper.close();
    await rm(this.directory, { recursive: true });
  }

  host(options: Partial<TestHostOptions> = {}): TestHost {
    return new TestHost({ path: this.helper.endpoint.path, ...options });
  }

  /** Runs one command line that has to succeed. */
  readonly done = async (...words: string[]): Promise<TestHost> => {
    const host = this.host();
    const code = await host.run(...words);
    expect({ code, error: host.errorText }).toEqual({ code: 0, error: host.errorText });
    return host;
  };

  /** Runs one command line that has to fail with a code. */
  readonly fails = async (code: number, ...words: string[]): Promise<TestHost> => {
    const host = this.host();
    expect(await host.run(...words)).toBe(code);
    return host;
  };
}

/** Checks what `--json` printed against the documented shape. */
export function expectDocumented(command: string, value: unknown): void {
  const definition = allCommands().find(({ path }) => path.join(' ') === command);
  expect(definition?.json?.schema.safeParse(value)).toMatchObject({ success: true });
}
