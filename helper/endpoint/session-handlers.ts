import type { SessionManager } from '../sessions/session-manager.ts';
import type { Access } from './access.ts';
import type { MethodHandlers } from './dispatch.ts';
import { isVisible } from './visibility.ts';

type SessionMethods =
  | 'session.start'
  | 'session.stop'
  | 'session.statistics'
  | 'session.lastDisconnectError'
  | 'session.sendProviderMessage';

/** The methods that concern one session; the configuration's id names it (contract E6). */
export function sessionHandlers(
  access: Access,
  sessions: SessionManager,
): Pick<MethodHandlers, SessionMethods> {
  return {
    'session.start': async ({ id, options, supersede }, caller) => {
      await access.configuration(id, caller);
      const viewer = await access.viewer(caller);
      sessions.start(id, options, supersede, (other) => isVisible(other, viewer));
      return {};
    },

    'session.stop': async ({ id }, caller) => {
      await access.configuration(id, caller);
      sessions.stop(id);
      return {};
    },

    'session.statistics': async ({ id }, caller) => {
      await access.configuration(id, caller);
      return { statistics: sessions.statistics(id) };
    },

    'session.lastDisconnectError': async ({ id }, caller) => {
      await access.configuration(id, caller);
      const end = sessions.lastEnd(id);
      return { reason: end?.reason ?? null, error: end?.error ?? null };
    },

    'session.sendProviderMessage': async ({ id, message, timeout }, caller, signal) => {
      await access.configuration(id, caller);
      const bytes = Buffer.from(message, 'base64');
      const reply = await sessions.sendProviderMessage(id, new Uint8Array(bytes), timeout, signal);
      return { reply: reply === null ? null : Buffer.from(reply).toString('base64') };
    },
  };
}
