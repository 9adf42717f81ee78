import { randomUUID } from 'node:crypto';
import type { Agent, Answer } from './agent.ts';

export const echoProvider = 'org.sallyport.attack.echo';

/** A configuration of the echo provider: no routes, nothing on the network. */
export interface Draft {
  readonly id: string;
  readonly name: string;
  readonly protocolConfiguration: object;
}

export function echoDraft(changes: object = {}): Draft {
  const id = randomUUID();
  return {
    id,
    name: `attack ${id}`,
    protocolConfiguration: { providerBundleIdentifier: echoProvider, serverAddress: null },
    ...changes,
  };
}

export function save(
  agent: Agent,
  configuration: object,
  expectedRevision: number | null = null,
): Promise<Answer> {
  return agent.call('configurations.save', { configuration, expectedRevision });
}

/** A new configuration that is stored. */
export async function saved(agent: Agent, changes: object = {}): Promise<string> {
  const draft = echoDraft(changes);
  const { error } = await save(agent, draft);
  if (error !== undefined) throw new Error(`It was not stored: ${JSON.stringify(error)}`);
  return draft.id;
}

/** Code of the typed error, or what else there was. */
export function codeOf({ error, closed }: Answer): string {
  if (closed === true) return 'closed';
  return error === undefined ? 'answered' : (error.data?.code ?? 'untyped');
}
