import { ipcMain, type IpcMainInvokeEvent, type WebContents } from 'electron';
import {
  callChannel,
  callNames,
  callTable,
  eventChannel,
  eventTable,
  type CallName,
  type CallRequest,
  type CallResult,
  type EventName,
  type EventPayload,
} from '../bridge/channels.ts';
import { isOwnAddress } from './hardening.ts';

/** What main does for each call of the bridge. */
export type CallHandlers = {
  readonly [N in CallName]: (request: CallRequest<N>) => Promise<CallResult<N>>;
};

/** Answers the window's calls: only of our own page's main frame, only with parameters that fit the table. */
export function serveBridge(handlers: CallHandlers): void {
  for (const name of callNames) {
    ipcMain.handle(callChannel(name), (event, params: unknown) => {
      if (!isOurPage(event)) throw new Error('This page may not call the app.');
      return answer(handlers, name, params);
    });
  }
}

/** Sends an event of the table to a window. */
export function sendEvent<N extends EventName>(
  contents: WebContents,
  name: N,
  payload: EventPayload<N>,
): void {
  if (contents.isDestroyed()) return;
  contents.send(eventChannel(name), eventTable[name].parse(payload));
}

function answer<N extends CallName>(
  handlers: CallHandlers,
  name: N,
  params: unknown,
): Promise<CallResult<N>> {
  return handlers[name](callTable[name].params.parse(params));
}

function isOurPage(event: IpcMainInvokeEvent): boolean {
  const frame = event.senderFrame;
  return frame !== null && frame === event.sender.mainFrame && isOwnAddress(frame.url);
}
