"""AWS X-Ray: spans as segment documents."""
