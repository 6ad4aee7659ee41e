"""The tea shop as a Django application: models, forms, views and templates, and flags that decide the checkout."""
