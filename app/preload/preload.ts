import { contextBridge, ipcRenderer } from 'electron';
import * as z from 'zod';
import {
  callChannel,
  callNames,
  callTable,
  eventChannel,
  eventTable,
  type CallName,
  type EventName,
  type EventPayload,
} from '../bridge/channels.ts';

// The page's policy forbids code made from strings, which zod would otherwise try.
z.config({ jitless: true });

/** Sends a checked request and checks the answer. */
async function invoke(name: CallName, params: unknown): Promise<unknown> {
  const request = callTable[name].params.parse(params);
  const answer: unknown = await ipcRenderer.invoke(callChannel(name), request);
  return callTable[name].result.parse(answer);
}

/** Subscribes to one event of the table; the page never sees Electron's own event object. */
function on<N extends EventName>(name: N, listener: (payload: EventPayload<N>) => void): () => void {
  if (!Object.hasOwn(eventTable, name)) throw new TypeError('There is no such event.');
  const schema = eventTable[name];
  const receive = (_event: unknown, payload: unknown): void => {
    listener(schema.parse(payload));
  };
  const channel = eventChannel(name);
  ipcRenderer.on(channel, receive);
  return () => {
    ipcRenderer.removeListener(channel, receive);
  };
}

contextBridge.exposeInMainWorld('sallyport', {
  ...Object.fromEntries(callNames.map((name) => [name, (params: unknown) => invoke(name, params)])),
  on,
});
