import { runApplication } from './application.ts';
import { createEndpointClient } from './endpoint-client.ts';

runApplication(createEndpointClient);
