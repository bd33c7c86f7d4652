"""What a client costs by itself: this library beside a loop of boto3, against the stub.

Each contender has a process of its own, which is started once and then measured in turns with
the others, so that whatever else the machine does strikes all of them.  The stub
(:mod:`benchmarks.stub`) is switched between full and idle in between.
"""
