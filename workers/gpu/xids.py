"""What the driver's error numbers (Xids) mean for the slot, as data.

The authority is NVIDIA's catalogue, by its "immediate action":
https://docs.nvidia.com/deploy/xid-errors/analyzing-xid-catalog.html
"""

# The process is at fault, or its context is lost: a new one is well.
RESTART = {
    13: "a fault in a kernel on the GPU",
    31: "a GPU memory page fault",
    43: "the GPU stopped processing",
    45: "a channel was removed",
    63: "a memory row is to be remapped",
    92: "many corrected memory errors",
    94: "a contained memory error",
}
# The card is at fault: only a human may trust it again.
DRAIN = {
    48: "a double-bit memory error",
    64: "a memory row could not be remapped",
    74: "an NVLink error",
    79: "the GPU has fallen off the bus",
    95: "an uncontained memory error",
    119: "the GPU's own processor does not answer",
}
