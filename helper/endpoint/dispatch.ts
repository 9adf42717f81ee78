import type { z } from 'zod';
import { EndpointError } from '@sallyport/shared/protocol/errors.ts';
import type { Role } from '@sallyport/shared/protocol/authorization.ts';
import {
  methods,
  type MethodName,
  type MethodRequest,
  type MethodResult,
} from '@sallyport/shared/protocol/methods.ts';

/** Who calls, and what it was found to be allowed for this call. */
export interface Caller {
  readonly connection: number;
  readonly uid: number;
  readonly pid: number;
  /** For `hello` and `events.subscribe` what it may do without anybody being asked; else what this method needed. */
  readonly role: Role;
  /** Whether it may change configurations without anybody being asked; known only by asking the authority. */
  mayConfigure(): Promise<boolean>;
}

type Handler<M extends MethodName> = (
  request: MethodRequest<M>,
  caller: Caller,
  signal: AbortSignal,
) => MethodResult<M> | Promise<MethodResult<M>>;

/** One function a method: validated request in, result out. */
export type MethodHandlers = { readonly [M in MethodName]: Handler<M> };

/** `methods`, typed so that the compiler sees that a method's schema makes its handler's request. */
const schemas: { readonly [M in MethodName]: { readonly params: z.ZodType<MethodRequest<M>> } } = methods;

/**
 * Authorizes, validates and runs one request.
 *
 * @param authorize settles with the caller once it may call the method
 * @throws {EndpointError} `unknownMethod`, `accessDenied`, `invalidParameters`; or what the handler throws
 */
export async function dispatch(
  handlers: MethodHandlers,
  method: string,
  params: unknown,
  authorize: (method: MethodName) => Promise<Caller>,
  signal: AbortSignal,
): Promise<unknown> {
  if (!isMethodName(method)) {
    throw new EndpointError(
      'unknownMethod',
      `The helper has no method ${JSON.stringify(method.slice(0, 100))}.`,
    );
  }
  return await run(handlers, method, params, authorize, signal);
}

async function run<M extends MethodName>(
  handlers: Pick<MethodHandlers, M>,
  method: M,
  params: unknown,
  authorize: (method: MethodName) => Promise<Caller>,
  signal: AbortSignal,
): Promise<unknown> {
  const handler: Handler<M> = handlers[method];
  const caller = await authorize(method);
  signal.throwIfAborted();
  return await handler(validated(schemas[method].params, method, params), caller, signal);
}

function validated<T>(schema: z.ZodType<T>, method: MethodName, params: unknown): T {
  const parsed = schema.safeParse(params ?? {});
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const path = issue?.path.map((part) => String(part).slice(0, 50)) ?? [];
  const what =
    path.length === 0 ? `The parameters of ${method} are` : `The parameter ${path.join('.')} of ${method} is`;
  throw new EndpointError('invalidParameters', `${what} invalid: ${issue?.message ?? 'unknown'}`, {
    details: { method, path },
  });
}

function isMethodName(name: string): name is MethodName {
  return Object.hasOwn(methods, name);
}
