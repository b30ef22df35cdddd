"""The market fitted to a log, its fidelity report, reference markets whose optimum is known, and Gymnasium's views."""
