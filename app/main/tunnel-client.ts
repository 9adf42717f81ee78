import type { ReconnectingClient } from '@sallyport/shared/client/reconnecting-client.ts';

/** The endpoint as the app needs it: requests, ordered events, and a connection that comes back by itself. */
export type TunnelClient = Pick<ReconnectingClient, 'on' | 'start' | 'reopen' | 'call' | 'close'>;
