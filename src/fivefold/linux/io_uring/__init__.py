"""io_uring(7) by ctypes: its two queues, its numbers and layouts."""
