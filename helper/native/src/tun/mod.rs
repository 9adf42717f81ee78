//! TUN devices with segmentation offload.
