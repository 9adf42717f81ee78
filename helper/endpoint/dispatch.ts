import { EndpointError } from '@sallyport/shared/protocol/errors.ts';
import {
  methods,
  type MethodName,
  type MethodRequest,
  type MethodResult,
  type Role,
} from '@sallyport/shared/protocol/methods.ts';
import { authorize } from './authorization.ts';

/** Who calls, as verified at the connection's start. */
export interface Caller {
  readonly connection: number;
  readonly uid: number;
  readonly pid: number;
  readonly role: Role;
}

/** One function a method: validated request in, result out. */
export type MethodHandlers = {
  readonly [M in MethodName]: (
    request: MethodRequest<M>,
    caller: Caller,
    signal: AbortSignal,
  ) => MethodResult<M> | Promise<MethodResult<M>>;
};

/**
 * Validates, authorizes and runs one request.
 *
 * @throws {EndpointError} `unknownMethod`, `accessDenied`, `invalidParameters`; or what the handler throws
 */
export async function dispatch(
  handlers: MethodHandlers,
  method: string,
  params: unknown,
  caller: Caller,
  signal: AbortSignal,
): Promise<unknown> {
  if (!isMethodName(method)) {
    throw new EndpointError(
      'unknownMethod',
      `The helper has no method ${JSON.stringify(method.slice(0, 100))}.`,
    );
  }
  authorize(method, caller.role);
  return await run(handlers, method, params, caller, signal);
}

async function run<M extends MethodName>(
  handlers: MethodHandlers,
  method: M,
  params: unknown,
  caller: Caller,
  signal: AbortSignal,
): Promise<unknown> {
  const definition: (typeof methods)[M] = methods[method];
  const parsed = definition.params.safeParse(params ?? {});
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const path = issue?.path.map((part) => String(part).slice(0, 50)) ?? [];
    const what =
      path.length === 0
        ? `The parameters of ${method} are`
        : `The parameter ${path.join('.')} of ${method} is`;
    throw new EndpointError('invalidParameters', `${what} invalid: ${issue?.message ?? 'unknown'}`, {
      details: { method, path },
    });
  }
  const handler: (request: MethodRequest<M>, caller: Caller, signal: AbortSignal) => unknown =
    handlers[method];
  return await handler(parsed.data as MethodRequest<M>, caller, signal);
}

function isMethodName(name: string): name is MethodName {
  return Object.hasOwn(methods, name);
}
