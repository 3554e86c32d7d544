"""The instrument that asks: a process of its own, and no part of the processor; it may use what it likes."""
