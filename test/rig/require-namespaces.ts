import { assertPrivateNamespaces } from '@sallyport/helper/developer/private-namespaces.ts';

// Runs before each file of the tiers that change the network.
assertPrivateNamespaces();
