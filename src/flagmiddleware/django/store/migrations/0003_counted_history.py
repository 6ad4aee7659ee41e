from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("flagmiddleware_store", "0002_history_in_words"),
    ]

    operations = [
        migrations.AddField(
            model_name="historyentry",
            name="place",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="storestate",
            name="place",
            field=models.BigIntegerField(
                help_text="How many entries the history has, since they were counted.", null=True
            ),
        ),
    ]
