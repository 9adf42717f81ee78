import type { SallyportBridge } from '../bridge/channels.ts';

declare global {
  interface Window {
    readonly sallyport: SallyportBridge;
  }
}

/** The only way out of this page. */
export const bridge = window.sallyport;
