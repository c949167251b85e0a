"""What work at a datacenter costs the world and its payers: what its operator says, and what was measured."""

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

WORST_PUE, MOST_GRAMS = 10.0, 2_000.0
country_code = RegexValidator(r"^[A-Z]{2}$", _("Two capital letters, as ES or DE."))


class CostClass(models.TextChoices):
    LOW = "low", _("low")
    NORMAL = "normal", _("normal")
    HIGH = "high", _("high")


class CarbonSource(models.TextChoices):
    """Where the carbon intensity of its electricity comes from (``datacenters/carbon/``)."""

    CONSTANT = "constant", _("the figure below, always")
    SERVICE = "service", _("a service that measures it")


class Footprint(models.Model):
    """What its operator says of a datacenter's energy and price. Empty: nobody knows."""

    datacenter = models.OneToOneField("datacenters.Datacenter", on_delete=models.CASCADE, related_name="footprint")
    country = models.CharField(max_length=2, blank=True, default="", validators=[country_code])
    pue = models.FloatField(null=True, blank=True, validators=[MinValueValidator(1.0), MaxValueValidator(WORST_PUE)])
    carbon_source = models.CharField(max_length=10, choices=CarbonSource, blank=True, default="")
    carbon_grams = models.FloatField(
        null=True, blank=True, validators=[MinValueValidator(0), MaxValueValidator(MOST_GRAMS)]
    )
    cost = models.CharField(max_length=6, choices=CostClass, blank=True, default="")
    # Of the last try to ask the service.
    asked = models.DateTimeField(null=True, editable=False)
    problem = models.TextField(blank=True, default="", editable=False)

    def __str__(self) -> str:
        return f"footprint of {self.datacenter}"


class CarbonReading(models.Model):
    """How much carbon dioxide a kilowatt hour of its electricity stood for at one moment."""

    datacenter = models.ForeignKey("datacenters.Datacenter", on_delete=models.CASCADE, related_name="carbon")
    at = models.DateTimeField(default=timezone.now)
    grams_per_kwh = models.FloatField()
    source = models.CharField(max_length=100)

    class Meta:
        ordering = ["at"]
        constraints = [models.UniqueConstraint(fields=["datacenter", "at"], name="one_carbon_reading_a_moment")]

    def __str__(self) -> str:
        return f"{self.at:%F %H:%M} {self.grams_per_kwh:g} g/kWh"
