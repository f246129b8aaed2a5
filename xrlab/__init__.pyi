from .data import fetch as fetch
from .dataset import generate as generate
from .diffraction import ReciprocalGrid as ReciprocalGrid
from .diffraction import diffraction_image as diffraction_image
from .diffraction import expected_image as expected_image
from .encoding import Encoding as Encoding
from .form_factor import FormFactor as FormFactor
from .form_factor import Molecule as Molecule
from .interpret import Interpretation as Interpretation
from .interpret import interpret as interpret
from .interpret import predict as predict
from .inversion import delta_pdf as delta_pdf
from .lattice import Lattice as Lattice
from .lattice import simulate as simulate
from .likelihood import cramer_rao as cramer_rao
from .likelihood import maximum_likelihood as maximum_likelihood
from .models import large_cnn as large_cnn
from .models import load_model as load_model
from .models import medium_cnn as medium_cnn
from .models import small_cnn as small_cnn
from .reading import read_image as read_image
from .section import Section as Section
from .store import generate_to as generate_to
from .store import open_data_set as open_data_set

__version__: str
