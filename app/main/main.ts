// First: nothing may happen before it.
import './refuse-switches.ts';
import { runApplication } from './application.ts';
import { createEndpointClient } from './endpoint-client.ts';

runApplication(createEndpointClient);
