"""IBM's ``.pipeline-config.yaml``, compiled into plans.

Such a file says what the stages of pipelines do whose order IBM has fixed: ``pipelines`` holds the stages of version 1,
``tasks`` the tasks of version 2. ``keys`` says which keys there are, ``stages`` and ``overlay`` read the two versions,
``conditions`` judges what is written under ``when``, ``drafts`` makes of either what ``compiler`` puts together.
"""
