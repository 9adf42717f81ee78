import { assertPrivateNamespaces } from './namespace.ts';

// Runs before each file of the tiers that change the network.
assertPrivateNamespaces();
