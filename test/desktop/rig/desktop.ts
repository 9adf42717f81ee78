import { createPerson, type Person } from './person.ts';
import { TrayHost } from './tray-host.ts';
import { startXServer } from './x-server.ts';

/** A display, a person in front of it and a panel with tray icons. */
export interface Desktop extends AsyncDisposable {
  readonly person: Person;
  readonly tray: TrayHost;
}

export async function startDesktop(): Promise<Desktop> {
  await using stack = new AsyncDisposableStack();
  const { display } = stack.use(await startXServer());
  const person = stack.use(await createPerson(display));
  const tray = stack.use(await TrayHost.start(person));
  const owned = stack.move();
  return { person, tray, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
