import type { Configuration } from '@sallyport/shared/protocol/configuration.ts';
import { unknownConfiguration, type ConfigurationStore } from '../configurations/configuration-store.ts';
import type { Caller } from './dispatch.ts';
import { isVisible, type Viewer } from './visibility.ts';

/** What of the configurations a caller may see, found out at each call. */
export class Access {
  readonly #configurations: Pick<ConfigurationStore, 'get'>;

  constructor(configurations: Pick<ConfigurationStore, 'get'>) {
    this.#configurations = configurations;
  }

  /**
   * For whom this call answers.
   *
   * The authority is asked whether or not its answer would show more: how long a call takes tells nobody that
   * something is hidden.
   */
  async viewer(caller: Caller): Promise<Viewer> {
    const { uid, role } = caller;
    if (role !== 'container') return { uid, role };
    return { uid, role: (await caller.mayConfigure()) ? 'administrator' : role };
  }

  /**
   * One configuration, if it exists for the caller.
   *
   * Another user's is looked for as long as one that is nowhere, so that the time tells neither from the other.
   *
   * @throws {VPNError} `configurationUnknown`
   */
  async configuration(id: string, caller: Caller): Promise<Configuration> {
    const { uid, role } = caller;
    const seen = this.#configurations.get(id);
    if (seen !== null && isVisible(seen, { uid, role })) return seen;
    if (role === 'container' && (await caller.mayConfigure())) {
      const found = this.#configurations.get(id);
      if (found !== null) return found;
    }
    throw unknownConfiguration(id);
  }
}
