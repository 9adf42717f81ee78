import { benchAppStart } from './app-start.ts';
import { benchConnect } from './connect.ts';
import { benchDataplane } from './dataplane.ts';
import { benchEndpoint } from './endpoint.ts';
import { benchEndpointAttack } from './endpoint-attack.ts';
import type { BenchResult } from './result.ts';

/** Runs one benchmark inside private namespaces and prints its result as one JSON line. Arguments: name, helper's main. */
const benches: Readonly<Record<string, (helperMain: string) => Promise<BenchResult>>> = {
  dataplane: benchDataplane,
  connect: benchConnect,
  endpoint: benchEndpoint,
  'endpoint-attack': benchEndpointAttack,
  'app-start': benchAppStart,
};

const [name = '', helperMain = ''] = process.argv.slice(2);
const bench = benches[name];
if (bench === undefined)
  throw new Error(`There is no benchmark ${name}. There are: ${Object.keys(benches).join(', ')}`);
process.stdout.write(`${JSON.stringify(await bench(helperMain))}\n`);
