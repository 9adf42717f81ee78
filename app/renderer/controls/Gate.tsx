import type { Tone } from '../features/connection/describe-session.ts';
import './gate.css';

/** The product's sign: a gate in a wall. Its portcullis is down while nothing passes and up while it does. */
export function Gate({ tone, size = 88 }: { readonly tone: Tone; readonly size?: number }) {
  return (
    <svg
      className="gate"
      data-tone={tone}
      viewBox="0 0 96 96"
      width={size}
      height={size}
      aria-hidden="true"
      focusable="false"
    >
      <circle className="gate-ground" cx="48" cy="48" r="47" />
      <clipPath id="gate-opening">
        <path d="M34 73V53a14 14 0 0 1 28 0v20z" />
      </clipPath>
      <path
        className="gate-wall"
        d="M23 73V22q0-2 2-2h8q2 0 2 2v6h7v-6q0-2 2-2h8q2 0 2 2v6h7v-6q0-2 2-2h8q2 0 2 2v51z"
      />
      <path className="gate-opening" d="M34 73V53a14 14 0 0 1 28 0v20z" />
      <g clipPath="url(#gate-opening)">
        <path className="gate-bars" d="M41 36v37M48 36v37M55 36v37M32 48h32M32 56.5h32M32 65h32" />
      </g>
    </svg>
  );
}
